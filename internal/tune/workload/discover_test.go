package workload

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
admin = Flask("admin")
@admin.get("/users")
def users(): pass
mounted = ProxyFix(DispatcherMiddleware(app, {"/admin": ProxyFix(admin)}))
inner = Flask("inner")
@inner.get("/a")
def a(): pass
inner.wsgi_app = ProxyFix(DispatcherMiddleware(inner.wsgi_app, {"/admin": admin}))
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
class ByProtocol:  # as Channels' ProtocolTypeRouter
    application_mapping = {"http": asgi, "websocket": None}
    async def __call__(self, scope, receive, send): pass
channels = ByProtocol()
`

const adminApp = `
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"], LANGUAGE_CODE="ko", USE_I18N=True,
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages", "django.contrib.sessions"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.locale.LocaleMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]}}])
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path, re_path
def view(request, **kwargs): return HttpResponse("x")
urlpatterns = [path("admin/", admin.site.urls), path("i18n/", include("django.conf.urls.i18n")), re_path(r"^(?:old|older)/$", view)]
urlpatterns += i18n_patterns(path("shop/", view), path("shop/<slug:name>/", view))
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
from flaskapp import admin
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.wsgi import WSGIMiddleware
outer = Starlette(routes=[Route("/", plain), Mount("/api", app=app), Mount("/legacy", app=WSGIMiddleware(admin))])
around = CORSMiddleware(outer, allow_origins=["*"])
broken = FastAPI()
@broken.get("/fine")
async def fine(): pass
def schema(): raise RuntimeError("no schema")
broken.openapi = schema
`

// The routes of the frameworks are those that need nothing, and are not asked for what they may do.
func TestFromApp(t *testing.T) {
	place := placeOf(t, map[string]string{"flaskapp.py": flaskApp, "djangoapp.py": djangoApp, "fast.py": fastapiApp, "adminapp.py": adminApp})
	for _, tt := range []struct {
		spec, framework string
		asgi            bool
		want            []string
		left            []string
	}{
		{"flaskapp:app", "Flask", false, []string{"/", "/items", "/shop/cart"}, []string{"/items/<int:page>", "/logout", "POST /buy"}},
		{"flaskapp:wrapped", "Flask", false, []string{"/", "/items", "/shop/cart"}, nil},
		{"flaskapp:create_app()", "Flask", false, []string{"/", "/items", "/shop/cart"}, nil},
		{"flaskapp:mounted", "Flask", false, []string{"/", "/admin/users", "/items", "/shop/cart"}, nil},
		{"flaskapp:inner", "Flask", false, []string{"/a", "/admin/users"}, nil},
		{"djangoapp:channels", "Django", true, []string{"/", "/api/users/", "/old/", "/posts/"}, nil},
		{"adminapp", "Django", false, []string{"/admin/", "/admin/auth/group/", "/admin/auth/group/add/", "/admin/auth/user/", "/admin/auth/user/add/",
			"/admin/autocomplete/", "/admin/jsi18n/", "/admin/login/", "/admin/password_change/", "/admin/password_change/done/", "/i18n/setlang/", "/ko/shop/"},
			[]string{"/admin/logout/", "/ko/shop/<slug:name>/", "/admin/auth/user/<path:object_id>/change/", "/(?:old|older)/"}},
		{"djangoapp", "Django", false, []string{"/", "/api/users/", "/old/", "/posts/"}, []string{"/posts/<int:pk>/", "/api/delete/", "/<slug:team>/home/"}},
		{"djangoapp:asgi", "Django", true, []string{"/", "/api/users/", "/old/", "/posts/"}, nil},
		{"fast:app", "FastAPI", true, []string{"/", "/sub/deep", "/v1/users"}, []string{"/v1/users/{user}", "/v1/search", "POST /"}},
		{"fast:around", "Starlette", true, []string{"/", "/api/", "/api/sub/deep", "/api/v1/users", "/legacy/users"}, []string{"/api/v1/search", "POST /api/"}},
		{"fast:broken", "FastAPI", true, []string{"/fine"}, nil},
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
		"factory.py":     "def create_app(): pass\n",
	})
	if _, err := Import(t.Context(), "needy:app", place); err == nil || !strings.Contains(err.Error(), "No module named 'extra'") || strings.Contains(err.Error(), "_girin_shim/") {
		t.Errorf("without its file: %v", err)
	}
	if app, err := Import(t.Context(), "noisy:app", place); err != nil || app.Framework != "" {
		t.Errorf("one that prints and starts threads: %+v, %v", app, err)
	} else if _, err := FromApp(app); err == nil || !strings.Contains(err.Error(), "--urls FILE") {
		t.Errorf("of no framework: %v", err)
	}
	for spec, want := range map[string]string{"quits:app": "no database", "notcallable:app": "must be callable", "factory:create_app": "name its call: factory:create_app()", "missing:app": "No module named 'missing'", "noisy:other": "'other'"} {
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

// An import may start processes, which hold its output and its descriptors: they end with it, and nobody waits for them.
func TestImportThatStartsProcesses(t *testing.T) {
	place := placeOf(t, map[string]string{"forks.py": `
import os, subprocess, time
if os.fork() == 0:
    time.sleep(600)
    os._exit(0)
child = subprocess.Popen(["sleep", "600"])
def app(environ, start_response): pass
print("child", child.pid, flush=True)
open("pid", "w").write(str(child.pid))
`, "conf.py": "wsgi_app = 'forks:app'\n"})
	place.Config = filepath.Join(place.Dir, "conf.py")
	app, err := Import(t.Context(), "", place)
	if err != nil || app.Spec != "forks:app" {
		t.Fatalf("%+v, %v", app, err)
	}
	pid, err := os.ReadFile(filepath.Join(place.Dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + string(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what the import has started still runs")
		}
	}
	place.Config = ""
	if _, err := Import(t.Context(), "", place); err == nil || !strings.Contains(err.Error(), "no application is named") {
		t.Errorf("nobody names one: %v", err)
	}
	place.Found = "forks:app"
	if app, err := Import(t.Context(), "", place); err != nil || app.Spec != "forks:app" {
		t.Errorf("one was found: %+v, %v", app, err)
	}
}

// An import may print without end: only the end of that is kept.
func TestEnding(t *testing.T) {
	var e ending
	for range 1000 {
		if n, err := e.Write([]byte(strings.Repeat("x", 999) + "\n")); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = e.Write([]byte("last"))
	if text := tail(string(e)); len(e) != mostSaid || !strings.HasSuffix(text, "\nlast") {
		t.Errorf("%d bytes, %q", len(e), text)
	}
}
