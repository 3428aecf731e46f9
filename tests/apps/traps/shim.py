OWNER = "app"
