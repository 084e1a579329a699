# A bucket with a key of its own, and two gateways before it behind a load balancer.

module "uploads" {
  source = "../.."

  bucket          = var.bucket
  public_url      = "https://${var.host}"
  origins         = var.app_origins
  prefix          = "uploads/"
  upload_lifetime = "7d"
  kms_key_arn     = aws_kms_key.uploads.arn
  signer_user     = "${var.bucket}-signer"
  proxies         = [for subnet in data.aws_subnet.public : subnet.cidr_block]

  # Rules of yours live beside the module's.
  foreign_lifecycle_rules = [
    { id = "forget-exports", prefix = "exports/", expiration_days = 30 },
  ]
}

module "gateway" {
  source = "../../gateway"

  image              = var.image
  vpc_id             = var.vpc_id
  public_subnet_ids  = var.public_subnet_ids
  private_subnet_ids = var.private_subnet_ids
  certificate_arn    = var.certificate_arn
  token_secrets_arn  = var.token_secrets_arn
  signer_secret_arn  = var.signer_secret_arn
  gateway_policy_arn = module.uploads.gateway_policy_arn

  environment = merge(module.uploads.gateway_environment, {
    PARTGATE_UPLOADS__MAX_SIZE = "100GiB"
  })
}

data "aws_subnet" "public" {
  for_each = toset(var.public_subnet_ids)
  id       = each.value
}

data "aws_caller_identity" "current" {}

# The account decides by its IAM policies who may use the key, which is how the module's policies reach it.
data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:in a key's policy, * is the key itself
  #checkov:skip=CKV_AWS_111:in a key's policy, * is the key itself
  #checkov:skip=CKV_AWS_356:in a key's policy, * is the key itself
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }
}

resource "aws_kms_key" "uploads" {
  description         = "Objects of ${var.bucket}"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

resource "aws_route53_record" "gateway" {
  zone_id = var.zone_id
  name    = var.host
  type    = "A"

  alias {
    name                   = module.gateway.dns_name
    zone_id                = module.gateway.zone_id
    evaluate_target_health = true
  }
}
