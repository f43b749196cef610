"""When registrants arrive: demand, rate curve, seeded schedule, leases of index ranges."""
