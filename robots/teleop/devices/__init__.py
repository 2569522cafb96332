"""What a hand may hold: one file a device, its library opened only when it is connected."""
