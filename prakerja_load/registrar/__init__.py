"""The reference registration system: a real one, durable and small."""
