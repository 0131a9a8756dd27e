"""What runs next; knows neither Ray nor a screen."""
