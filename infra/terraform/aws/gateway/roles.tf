data "aws_caller_identity" "current" {}

# Only tasks of this account take these roles.
data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# What the gateway is: it may do in the bucket what the bucket's module says, and nothing else.
resource "aws_iam_role" "gateway" {
  name_prefix        = "${var.name}-gateway-"
  description        = "The gateways of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "gateway" {
  role       = aws_iam_role.gateway.name
  policy_arn = var.gateway_policy_arn
}

# What starts a task: it fetches the image, reads the secrets and opens the log.
resource "aws_iam_role" "start" {
  name_prefix        = "${var.name}-start-"
  description        = "Starts the gateways of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
  tags               = var.tags
}

data "aws_iam_policy_document" "start" {
  #checkov:skip=CKV_AWS_356:GetAuthorizationToken has no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
  statement {
    sid       = "SignInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "FetchImage"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
    ]
    resources = [
      "arn:${data.aws_partition.current.partition}:ecr:*:${data.aws_caller_identity.current.account_id}:repository/*",
    ]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.gateway.arn}:*"]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secret_arns
  }

  dynamic "statement" {
    for_each = var.secrets_kms_key_arn == null ? [] : [var.secrets_kms_key_arn]

    content {
      sid       = "OpenSecrets"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

data "aws_partition" "current" {}

resource "aws_iam_role_policy" "start" {
  name_prefix = "${var.name}-start-"
  role        = aws_iam_role.start.id
  policy      = data.aws_iam_policy_document.start.json
}
