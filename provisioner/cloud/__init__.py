"""boto3 adapters. AWS and the sandbox differ by endpoint and credentials only."""
