"""A small Django site: its admin, and documents with an uploaded file.

    python manage.py migrate
    python manage.py createsuperuser
    girin django_site.wsgi:application
"""
