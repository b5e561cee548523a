"""Where the bytes come from: http, https or a data: URI."""
