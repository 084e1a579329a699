# The container of a gateway's task, worked out without a provider, so that a test can start what it describes.

locals {
  name = "partgate"
  port = tonumber(regex("[0-9]+$", var.environment["PARTGATE_LISTEN"]))

  container = {
    name      = local.name
    image     = var.image
    essential = true

    portMappings = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]

    environment = [
      for name, value in var.environment : { name = name, value = value } if !contains(keys(var.secrets), name)
    ]
    secrets = [for name, arn in var.secrets : { name = name, valueFrom = arn }]

    # It writes nothing to disk: its state is in PostgreSQL, and bytes do not pass through it.
    readonlyRootFilesystem = true
    user                   = "65532:65532"
    linuxParameters        = { initProcessEnabled = false, capabilities = { drop = ["ALL"] } }

    # The gateway gives what is under way 30 s, and a PostgreSQL that is slow a little longer.
    stopTimeout = 60

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = var.log_group
        awslogs-region        = var.region
        awslogs-stream-prefix = local.name
      }
    }
  }
}
