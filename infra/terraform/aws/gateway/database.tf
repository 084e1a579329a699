# The state of uploads. The password is made anew for each apply that wants it, goes to the database and into the secret
# that gateways read, and is in no state and no plan.

ephemeral "random_password" "database" {
  length = 40
  # It becomes part of a URL.
  special = false
}

resource "aws_db_subnet_group" "database" {
  name       = var.name
  subnet_ids = var.private_subnet_ids
  tags       = var.tags
}

resource "aws_db_parameter_group" "database" {
  name   = "${var.name}-pg${split(".", var.database_version)[0]}"
  family = "postgres${split(".", var.database_version)[0]}"
  tags   = var.tags

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # Changes of the schema are worth a line, and so is what takes longer than a second. Statements of the gateway have
  # no values in them, only places for values.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "database" {
  #checkov:skip=CKV_AWS_118:enhanced monitoring wants a role of the account; the gateway's own metrics tell of slow calls
  #checkov:skip=CKV_AWS_161:tokens of IAM last 15 minutes, and gateways connect by a URL from their settings
  #checkov:skip=CKV_AWS_354:a key of one's own is a choice: secrets_kms_key_arn
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.database_version
  instance_class = var.database_class
  multi_az       = true

  storage_type          = "gp3"
  allocated_storage     = 20
  max_allocated_storage = 200
  storage_encrypted     = true
  kms_key_id            = var.secrets_kms_key_arn

  db_name             = "partgate"
  username            = "partgate"
  password_wo         = ephemeral.random_password.database.result
  password_wo_version = var.database_password_version

  db_subnet_group_name   = aws_db_subnet_group.database.name
  parameter_group_name   = aws_db_parameter_group.database.name
  vpc_security_group_ids = [aws_security_group.database.id]
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  auto_minor_version_upgrade      = true
  backup_retention_period         = 14
  copy_tags_to_snapshot           = true
  deletion_protection             = var.deletion_protection
  skip_final_snapshot             = !var.deletion_protection
  final_snapshot_identifier       = var.deletion_protection ? "${var.name}-final" : null
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.secrets_kms_key_arn

  tags = var.tags
}

resource "aws_secretsmanager_secret" "database" {
  #checkov:skip=CKV2_AWS_57:the URL changes with the database's password: database_password_version
  #checkov:skip=CKV_AWS_149:a key of one's own is a choice: secrets_kms_key_arn
  name_prefix = "${var.name}-database-"
  description = "Where the gateways of ${var.name} find their database, with its password."
  kms_key_id  = var.secrets_kms_key_arn
  tags        = var.tags
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id = aws_secretsmanager_secret.database.id
  # `require` is TLS without a look at the certificate: the image has no authority of RDS, and the way is one VPC.
  secret_string_wo = format(
    "postgres://%s:%s@%s/%s?sslmode=require",
    aws_db_instance.database.username,
    ephemeral.random_password.database.result,
    aws_db_instance.database.endpoint,
    aws_db_instance.database.db_name,
  )
  secret_string_wo_version = var.database_password_version
}
