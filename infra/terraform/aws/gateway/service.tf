# Gateways on Fargate. Which of them serves a call does not matter: they share the database.

module "container" {
  source = "./container"

  image       = var.image
  environment = var.environment
  secrets     = local.secrets
  log_group   = aws_cloudwatch_log_group.gateway.name
  region      = data.aws_region.current.region
}

data "aws_region" "current" {}

locals {
  secrets = merge(
    {
      PARTGATE_DATABASE            = aws_secretsmanager_secret.database.arn
      PARTGATE_AUTH__TOKEN_SECRETS = var.token_secrets_arn
    },
    var.signer_secret_arn == null ? {} : {
      PARTGATE_STORAGE__SIGNER__ACCESS_KEY_ID     = "${var.signer_secret_arn}:access_key_id::"
      PARTGATE_STORAGE__SIGNER__SECRET_ACCESS_KEY = "${var.signer_secret_arn}:secret_access_key::"
    },
  )
  secret_arns = concat(
    [aws_secretsmanager_secret.database.arn, var.token_secrets_arn],
    var.signer_secret_arn == null ? [] : [var.signer_secret_arn],
  )
}

resource "aws_cloudwatch_log_group" "gateway" {
  #checkov:skip=CKV_AWS_158:a key of one's own is a choice: secrets_kms_key_arn
  #checkov:skip=CKV_AWS_338:log_days is a year unless told otherwise
  name              = "/partgate/${var.name}"
  retention_in_days = var.log_days
  kms_key_id        = var.secrets_kms_key_arn
  tags              = var.tags
}

resource "aws_ecs_cluster" "gateway" {
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "gateway" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.gateway.arn
  container_definitions    = module.container.definitions
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }
}

resource "aws_ecs_service" "gateway" {
  name            = var.name
  cluster         = aws_ecs_cluster.gateway.id
  task_definition = aws_ecs_task_definition.gateway.arn
  desired_count   = var.tasks
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"
  tags            = var.tags

  # Old and new gateways run side by side for a while: migrations are made for that.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60

  # Tasks read secrets when they start, so a new password wants new tasks.
  force_new_deployment = true
  triggers             = { database_password = var.database_password_version }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [aws_security_group.gateway.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.gateway.arn
    container_name   = module.container.name
    container_port   = module.container.port
  }

  depends_on = [
    aws_iam_role_policy.start,
    aws_iam_role_policy_attachment.gateway,
    aws_lb_listener.https,
    aws_secretsmanager_secret_version.database,
  ]
}
