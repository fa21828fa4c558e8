"""What models, data and training share: batches, noise, devices."""
