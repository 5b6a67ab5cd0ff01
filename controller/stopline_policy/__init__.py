"""The policy seam and the policy bundle: format, hashes, signature and ONNX inference."""
