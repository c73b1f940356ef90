An emulated station tells why the upload of a log failed: BadMessage, PermissionDenied or NotSupportedOperation.
