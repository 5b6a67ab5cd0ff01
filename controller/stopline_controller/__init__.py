"""The service at the kerb: junction loops, arbitration, gRPC services and the audit log."""
