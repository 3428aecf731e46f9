package workload

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func placeOf(t *testing.T, files map[string]string) Place {
	t.Helper()
	python, err := exec.LookPath("python")
	if venv := os.Getenv("VIRTUAL_ENV"); venv != "" {
		python, err = filepath.Join(venv, "bin", "python"), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Place{Python: python, Dir: dir, Env: os.Environ()}
}

const flaskApp = `
from flask import Flask, Blueprint
app = Flask(__name__)
shop = Blueprint("shop", __name__, url_prefix="/shop")
@app.get("/")
def index(): pass
@app.route("/items", defaults={"page": 1})
@app.route("/items/<int:page>")
def items(page): pass
@app.post("/buy")
def buy(): pass
@app.get("/logout")
def logout(): pass
@shop.get("/cart")
def cart(): pass
app.register_blueprint(shop)
class Middleware:
    def __init__(self, wsgi_app): self.app = wsgi_app
    def __call__(self, environ, start_response): return self.app(environ, start_response)
wrapped = Middleware(app.wsgi_app)
def create_app(name="x"): return app
`

const djangoApp = `
import sys
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import include, path, re_path
def view(request, **kwargs): return HttpResponse("x")
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"])
urlpatterns = [path("", view), path("posts/", view), path("posts/<int:pk>/", view), re_path(r"^old/$", view), re_path(r"^year/(?P<y>\d+)/$", view),
    path("api/", include(([path("users/", view), path("delete/", view)], "api"))), path("<slug:team>/", include([path("home/", view)]))]
from django.core.wsgi import get_wsgi_application
from django.core.asgi import get_asgi_application
application, asgi = get_wsgi_application(), get_asgi_application()
`

const fastapiApp = `
from fastapi import FastAPI, APIRouter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
app = FastAPI()
router = APIRouter(prefix="/v1")
@app.get("/")
async def index(): pass
@app.post("/")
async def make(): pass
@router.get("/users")
async def users(): pass
@router.get("/search")
async def search(q: str, page: int = 1): pass
@router.get("/users/{user}")
async def user(user): pass
app.include_router(router)
app.mount("/sub", Starlette(routes=[Route("/deep", lambda request: None)]))
async def plain(request): return PlainTextResponse("x")
star = Starlette(routes=[Route("/", plain), Mount("/sub", routes=[Route("/deep", plain), Route("/deep/{x}", plain)])])
`

// The routes of the frameworks are those that need nothing, and are not asked for what they may do.
func TestFromApp(t *testing.T) {
	place := placeOf(t, map[string]string{"flaskapp.py": flaskApp, "djangoapp.py": djangoApp, "fast.py": fastapiApp})
	for _, tt := range []struct {
		spec, framework string
		asgi            bool
		want            []string
		left            []string
	}{
		{"flaskapp:app", "Flask", false, []string{"/", "/items", "/shop/cart"}, []string{"/items/<int:page>", "/logout", "OPTIONS,POST /buy"}},
		{"flaskapp:wrapped", "Flask", false, []string{"/", "/items", "/shop/cart"}, nil},
		{"flaskapp:create_app()", "Flask", false, []string{"/", "/items", "/shop/cart"}, nil},
		{"djangoapp", "Django", false, []string{"/", "/api/users/", "/old/", "/posts/"}, []string{"/posts/<int:pk>/", "/api/delete/", "/<slug:team>/home/"}},
		{"djangoapp:asgi", "Django", true, []string{"/", "/api/users/", "/old/", "/posts/"}, nil},
		{"fast:app", "FastAPI", true, []string{"/", "/sub/deep", "/v1/users"}, []string{"/v1/users/{user}", "/v1/search", "POST /"}},
		{"fast:star", "Starlette", true, []string{"/", "/sub/deep"}, []string{"/sub/deep/{x}"}},
	} {
		app, err := Import(t.Context(), tt.spec, place)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		w, err := FromApp(app)
		if err != nil {
			t.Errorf("%s: %v: %+v", tt.spec, err, app)
			continue
		}
		var got []string
		for _, r := range w.Requests {
			if r.Method != "GET" {
				t.Errorf("%s: %s", tt.spec, r.Name())
			}
			got = append(got, r.Path)
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) || app.Framework != tt.framework || app.ASGI != tt.asgi {
			t.Errorf("%s: %v, %s, ASGI %v; want %v", tt.spec, got, app.Framework, app.ASGI, tt.want)
		}
		for _, left := range tt.left {
			if !slices.ContainsFunc(w.Left, func(l Left) bool { return l.What == left }) {
				t.Errorf("%s: %q is not among what was left out: %+v", tt.spec, left, w.Left)
			}
		}
	}
}

// A configuration file may say where the application finds what it needs; its errors and the application's are told whole.
func TestImportInItsPlace(t *testing.T) {
	place := placeOf(t, map[string]string{
		"conf.py":        "raw_env = ['TABLE=posts']\npythonpath = 'lib'\nworkers = 3\n",
		"bad.py":         "workers = 1 / 0\n",
		"needy.py":       "import os, extra\nos.environ['TABLE']\nfrom flask import Flask\napp = Flask(__name__)\n",
		"lib/extra.py":   "",
		"noisy.py":       "import os, threading, time\nprint('hello')\nthreading.Thread(target=time.sleep, args=(600,)).start()\ndef app(environ, start_response): pass\n",
		"quits.py":       "import sys\nsys.exit('no database')\n",
		"deep/inner.py":  "",
		"notcallable.py": "app = 1\n",
	})
	if _, err := Import(t.Context(), "needy:app", place); err == nil || !strings.Contains(err.Error(), "No module named 'extra'") || strings.Contains(err.Error(), "_girin_shim/") {
		t.Errorf("without its file: %v", err)
	}
	if app, err := Import(t.Context(), "noisy:app", place); err != nil || app.Framework != "" {
		t.Errorf("one that prints and starts threads: %+v, %v", app, err)
	} else if _, err := FromApp(app); err == nil || !strings.Contains(err.Error(), "--urls FILE") {
		t.Errorf("of no framework: %v", err)
	}
	for spec, want := range map[string]string{"quits:app": "no database", "notcallable:app": "must be callable", "missing:app": "No module named 'missing'", "noisy:other": "'other'"} {
		if _, err := Import(t.Context(), spec, place); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	place.Config = filepath.Join(place.Dir, "conf.py")
	if _, err := Import(t.Context(), "needy:app", place); err != nil {
		t.Errorf("with its file: %v", err)
	}
	place.Config = filepath.Join(place.Dir, "bad.py")
	if _, err := Import(t.Context(), "needy:app", place); err == nil || !strings.Contains(err.Error(), "ZeroDivisionError") {
		t.Errorf("a broken file: %v", err)
	}
}
