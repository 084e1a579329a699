output "bucket" {
  description = "The bucket's name."
  value       = aws_s3_bucket.uploads.id
}

output "bucket_arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.uploads.arn
}

output "gateway_policy_arn" {
  description = "Policy with exactly what the gateway does. Attach it to the role that the gateway runs as."
  value       = aws_iam_policy.gateway.arn
}

output "signer_policy_arn" {
  description = "Policy that may only put objects, for storage.signer."
  value       = aws_iam_policy.signer.arn
}

output "signer_user" {
  description = "The IAM user of storage.signer; null where none is wanted."
  value       = one(aws_iam_user.signer[*].name)
}

output "gateway_environment" {
  description = "Settings of the gateway as environment variables, without secrets and without its database."
  value       = module.rules.gateway_environment
}
