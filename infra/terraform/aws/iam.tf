# Policies to attach to whatever the gateway runs as: the task role of gateway/, an instance profile, a service account.

resource "aws_iam_policy" "gateway" {
  name        = "${var.bucket}-gateway"
  description = "What partgate does in the bucket ${var.bucket}, and nothing else."
  policy      = module.rules.gateway_policy
  tags        = var.tags
}

resource "aws_iam_policy" "signer" {
  name        = "${var.bucket}-signer"
  description = "What URLs for uploads into the bucket ${var.bucket} may do: put objects."
  policy      = module.rules.signer_policy
  tags        = var.tags
}

resource "aws_iam_user" "signer" {
  #checkov:skip=CKV_AWS_273:storage.signer takes keys, because the identity of a role is the gateway's own
  count = var.signer_user == null ? 0 : 1
  name  = var.signer_user
  tags  = var.tags
}

resource "aws_iam_user_policy_attachment" "signer" {
  #checkov:skip=CKV_AWS_40:a group of one would say no more
  count      = var.signer_user == null ? 0 : 1
  user       = aws_iam_user.signer[0].name
  policy_arn = aws_iam_policy.signer.arn
}
