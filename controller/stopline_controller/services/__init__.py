"""The gRPC services, one module each: thin, they translate and ask the parts that know."""
