output "url" {
  description = "Where the gateway is."
  value       = "https://${var.host}"
}

output "signer_user" {
  description = "The user to make an access key for: aws iam create-access-key --user-name NAME"
  value       = module.uploads.signer_user
}
