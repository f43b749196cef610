"""The only live part of the harness and the only door to locust and gevent."""
