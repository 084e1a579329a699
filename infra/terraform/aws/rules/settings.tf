# What the gateway has to know, as environment variables. Secrets, and where its database is, come from elsewhere.

locals {
  gateway_environment = merge(
    {
      PARTGATE_LISTEN             = "0.0.0.0:8080"
      PARTGATE_OPERATIONS__LISTEN = "0.0.0.0:9464"
      PARTGATE_AUTH__MODE         = "required"
      PARTGATE_LOG__FORMAT        = "json"
      PARTGATE_STORAGE__REGION    = var.region
      PARTGATE_STORAGE__BUCKET    = var.bucket
      PARTGATE_UPLOADS__LIFETIME  = var.upload_lifetime
      PARTGATE_URLS__TTL          = var.url_lifetime
    },
    # A setting that is not there has its default, also where that changes.
    { for name, value in local.optional_settings : name => value if value != "" },
  )

  optional_settings = {
    PARTGATE_PUBLIC_URL            = var.public_url == null ? "" : var.public_url
    PARTGATE_STORAGE__PREFIX       = var.prefix
    PARTGATE_CORS__ORIGINS         = join(",", var.origins)
    PARTGATE_HTTP__TRUSTED_PROXIES = join(",", var.proxies)
  }
}
