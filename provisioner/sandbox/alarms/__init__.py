"""CloudWatch's alarms, evaluated from what the sandbox measures."""
