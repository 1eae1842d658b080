"""What pre-trained features are worth in another task."""
