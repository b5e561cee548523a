"""Sources of media: http, https or a data: URI."""
