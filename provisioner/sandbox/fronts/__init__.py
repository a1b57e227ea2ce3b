"""Elastic IPs and load balancers: loopback addresses on which the daemon really forwards to machines."""
