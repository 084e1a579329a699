resource "aws_lb" "gateway" {
  #checkov:skip=CKV_AWS_91:the access log needs a bucket of yours: access_log_bucket
  #checkov:skip=CKV2_AWS_28:a firewall for web applications is billed by itself; the gateway bounds heads, bodies, rates and time
  name                       = var.name
  load_balancer_type         = "application"
  subnets                    = var.public_subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  enable_deletion_protection = var.deletion_protection
  drop_invalid_header_fields = true
  # Shorter than the gateway's http.idle_timeout (75 s): who opened a connection closes it, or calls would be lost. A
  # completion answers after 20 s at the latest.
  idle_timeout = 60
  tags         = var.tags

  dynamic "access_logs" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]

    content {
      enabled = true
      bucket  = access_logs.value
      prefix  = var.name
    }
  }
}

resource "aws_lb_target_group" "gateway" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it only the VPC is passed
  name_prefix = substr(var.name, 0, 6)
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = module.container.port
  # What is under way when a task goes has half a minute, as the gateway gives it.
  deregistration_delay = 30
  tags                 = var.tags

  # Ready is who reaches storage and database. Any gateway serves any upload, so nobody has to stick to one.
  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.gateway.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.gateway.arn
  }
}
