output "definitions" {
  description = "The task's container definitions, as JSON."
  value       = jsonencode([local.container])
}

output "name" {
  description = "The container's name."
  value       = local.name
}

output "port" {
  description = "The port that the API listens on."
  value       = local.port
}
