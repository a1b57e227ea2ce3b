"""Tests of the embedded engine, against a small real gRPC provider."""
