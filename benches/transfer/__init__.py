"""What uploads of one large file have in common: the file, the lightest client, and who is measured."""
