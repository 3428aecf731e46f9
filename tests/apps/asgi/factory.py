"""A factory, whose application says where it is mounted."""


def create():
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise RuntimeError("only HTTP")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{scope['root_path']} {scope['path']}".encode()})

    return app
