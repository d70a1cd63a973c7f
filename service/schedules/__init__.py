"""What happens by itself: flows start when they are due, old runs leave the lists."""
