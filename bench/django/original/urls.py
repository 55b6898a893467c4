from django.urls import path

from .views import LoginView, ready

urlpatterns = [path("api/login", LoginView.as_view()), path("ready", ready)]
