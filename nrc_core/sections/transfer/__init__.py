"""How well pre-trained features do in another task."""
