"""What is measured of a network: second moments at its sites, and every metric made of them."""
