package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindApp(t *testing.T) {
	const manage = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.prod')\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing":                         {nil, ""},
		"app":                             {map[string]string{"app.py": "from flask import Flask\napp = Flask(__name__)\n"}, "app:app"},
		"app before main":                 {map[string]string{"app.py": "app = 1\n", "main.py": "app = 1\n"}, "app:app"},
		"application":                     {map[string]string{"main.py": "application = App()\n"}, "main:application"},
		"with a type":                     {map[string]string{"main.py": "app: Flask = Flask(__name__)\n"}, "main:app"},
		"a function of WSGI":              {map[string]string{"wsgi.py": "def application(environ, start_response):\n    return []\n"}, "wsgi:application"},
		"imported":                        {map[string]string{"wsgi.py": "from blog import db, app  # the app\n"}, "wsgi:app"},
		"imported by another name":        {map[string]string{"wsgi.py": "from blog import app as application\n"}, "wsgi:application"},
		"a package":                       {map[string]string{"app/__init__.py": "app = Flask(__name__)\n"}, "app:app"},
		"a factory":                       {map[string]string{"app.py": "def create_app(config=None, *, debug=False):\n    pass\n"}, "app:create_app()"},
		"a factory of a package":          {map[string]string{"app/__init__.py": "def create_app():\n    pass\n"}, "app:create_app()"},
		"a factory that needs more":       {map[string]string{"app.py": "def create_app(config):\n    pass\n"}, ""},
		"an app in a function":            {map[string]string{"app.py": "def f():\n    app = 1\n"}, ""},
		"a comparison":                    {map[string]string{"app.py": "app == 1\n"}, ""},
		"Django":                          {map[string]string{"manage.py": manage, "shop/wsgi.py": "", "shop/asgi.py": ""}, "shop.wsgi:application"},
		"Django without wsgi":             {map[string]string{"manage.py": manage}, ""},
		"a folder of Django's called app": {map[string]string{"manage.py": manage, "shop/wsgi.py": "", "app/__init__.py": ""}, "shop.wsgi:application"},
		"asgi":                            {map[string]string{"asgi.py": "application = get_asgi_application()\n"}, "asgi:application"},
		"one module of another name":      {map[string]string{"hello.py": "app = Flask(__name__)\n", "models.py": "x = 1\n", "test_app.py": "app = 1\n"}, "hello:app"},
		"one package of another name":     {map[string]string{"shop/__init__.py": "def create_app(config=None):\n    pass\n", "tests/__init__.py": "app = 1\n"}, "shop:create_app()"},
		"two of other names":              {map[string]string{"hello.py": "app = 1\n", "bye.py": "app = 1\n"}, ""},
		"a coroutine function":            {map[string]string{"bare.py": "async def app(scope, receive, send):\n    pass\n"}, "bare:app"},
		"a script that uses one":          {map[string]string{"seed.py": "from shop import app, db\ndb.drop_all()\n", "shop/__init__.py": ""}, ""},
		"one whose name is none":          {map[string]string{"my-app.py": "app = 1\n"}, ""},
		"as FastAPI's guide has it":       {map[string]string{"app/__init__.py": "", "app/main.py": "app = FastAPI()\n"}, "app.main:app"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, source := range c.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			found, ok := FindApp(dir)
			if found.App != c.want || ok != (c.want != "") {
				t.Errorf("found %q, not %q", found.App, c.want)
			}
		})
	}
}
