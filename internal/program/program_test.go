package program

import "testing"

func TestCacheDir(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"at home":               {map[string]string{"HOME": "/home/a"}, "/home/a/.cache/girin"},
		"as the desktop wants":  {map[string]string{"HOME": "/home/a", "XDG_CACHE_HOME": "/c"}, "/c/girin"},
		"of a service":          {map[string]string{"HOME": "/home/a", "XDG_CACHE_HOME": "/c", "CACHE_DIRECTORY": "/var/cache/shop:/var/cache/other"}, "/var/cache/shop"},
		"no home":               {nil, ""},
		"a relative one":        {map[string]string{"XDG_CACHE_HOME": "c"}, ""},
		"one that is not UTF-8": {map[string]string{"HOME": "/home/\xff"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := &Env{Getenv: func(name string) string { return test.env[name] }}
			if got := env.CacheDir(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
