"""The same network at several weight decays."""
