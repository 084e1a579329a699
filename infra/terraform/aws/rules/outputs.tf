output "cors_rule" {
  description = "The CORS rule that browsers need."
  value       = local.cors_rule
}

output "lifecycle_rule" {
  description = "The lifecycle rule that aborts what nobody finishes, later than the gateway would."
  value       = local.lifecycle_rule

  precondition {
    condition     = local.lifetime_minutes <= 365 * 24 * 60
    error_message = "upload_lifetime is at most 365d."
  }
}

output "public_access_block" {
  description = "The four switches that keep the bucket private."
  value       = local.public_access_block
}

output "bucket_policy" {
  description = "The bucket's policy, as JSON: TLS only."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.bucket_statements })
}

output "gateway_policy" {
  description = "What the gateway may do, as JSON."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.gateway_statements })
}

output "signer_policy" {
  description = "What storage.signer may do, as JSON: put objects below the prefix."
  value       = jsonencode({ Version = "2012-10-17", Statement = local.signer_statements })
}

output "gateway_environment" {
  description = "Settings of the gateway as environment variables, without secrets and without its database."
  value       = local.gateway_environment
}
