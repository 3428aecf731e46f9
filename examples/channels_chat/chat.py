"""Django Channels: rooms in which whoever is there hears what one says.

    cd examples/channels_chat
    girin -w 1 chat:application

Rooms are kept in the process's memory, so there is one worker; with channels_redis as
the layer there may be as many as you like. A page is at /room/NAME.
"""
import json

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path, re_path

settings.configure(
    ALLOWED_HOSTS=["*"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    ROOT_URLCONF=__name__,
    SECRET_KEY="an example",
)
django.setup()

PAGE = """<!doctype html>
<title>Chat</title>
<ul id=said></ul>
<form><input autofocus><button>Say</button></form>
<script>
const socket = new WebSocket(location.href.replace(/^http/, "ws"));
const form = document.forms[0], field = form.elements[0];
socket.onmessage = (event) => {
  const line = document.createElement("li");
  line.textContent = JSON.parse(event.data).said;
  document.getElementById("said").append(line);
};
form.onsubmit = (event) => {
  event.preventDefault();
  socket.send(JSON.stringify({said: field.value}));
  field.value = "";
};
</script>
"""


def page(request, room="lobby"):
    return HttpResponse(PAGE)


class Room(AsyncWebsocketConsumer):
    """One who is in a room."""

    async def connect(self):
        self.room = "room_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        said = json.loads(text_data)["said"]
        await self.channel_layer.group_send(self.room, {"type": "heard", "said": said})

    async def heard(self, event):
        await self.send(text_data=json.dumps({"said": event["said"]}))


urlpatterns = [path("", page), re_path(r"^room/(?P<room>[a-z]+)$", page)]

application = ProtocolTypeRouter({
    "http": get_asgi_application(),
    "websocket": AllowedHostsOriginValidator(URLRouter([re_path(r"^room/(?P<room>[a-z]+)$", Room.as_asgi())])),
})
