"""What the topics share: processes whose cost is counted, the stores, the gateway, load."""


class Missing(Exception):
    """The machine lacks something that a topic needs; says what, and what for."""
