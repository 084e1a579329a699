output "dns_name" {
  description = "Name of the load balancer: let the name in public_url point to it."
  value       = aws_lb.gateway.dns_name
}

output "zone_id" {
  description = "Route 53 zone of the load balancer, for an alias record."
  value       = aws_lb.gateway.zone_id
}

output "gateway_security_group_id" {
  description = "Security group of the gateways; what scrapes their metrics (port of operations.listen) needs a rule of yours into it."
  value       = aws_security_group.gateway.id
}

output "task_role_arn" {
  description = "The role that gateways have."
  value       = aws_iam_role.gateway.arn
}
