"""Follow what runs elsewhere: look at it again and again to its end, over lost connections."""
