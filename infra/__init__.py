"""Where Kho Mở runs: set-up, services and the kho commands."""
