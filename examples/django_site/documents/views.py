from django.shortcuts import render

from .models import Document


def index(request):
    return render(request, "documents/index.html", {"documents": Document.objects.all()})
