package front

import (
	"bytes"
	"strings"
)

// All is what Python's loggers may read of a request that has ended.
func (a accessFields) All() (request, response [][2]string, environ map[string]string) {
	r := &a.x.reply.record
	environ = map[string]string{}
	for _, name := range []string{
		"request_method", "raw_uri", "query_string", "path_info", "remote_addr", "remote_port", "server_protocol", "remote_user",
	} {
		if value := a.Environ(name); value != nil {
			environ[strings.ToUpper(name)] = latin1(value)
		}
	}
	environ["wsgi.url_scheme"] = "http"
	if a.x.srv.cfg.TLS != nil {
		environ["wsgi.url_scheme"] = "https"
	}
	for _, f := range r.fields {
		name, value := strings.ToUpper(latin1(f.Name)), latin1(f.Value)
		request = append(request, [2]string{name, value})
		key := strings.ReplaceAll(name, "-", "_")
		if key != "CONTENT_TYPE" && key != "CONTENT_LENGTH" {
			key = "HTTP_" + key
		}
		if before, repeated := environ[key]; repeated {
			value = before + separatorOf(&f) + value
		}
		environ[key] = value
	}
	return request, fieldsOf(a.x.reply.sentHead), environ
}

// fieldsOf are the fields of a response head as it was sent.
func fieldsOf(head []byte) (fields [][2]string) {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\r\n"))
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok {
			fields = append(fields, [2]string{latin1(name), latin1(value)})
		}
		head = rest
	}
	return fields
}

// latin1 is text as WSGI has it: a letter for each byte.
func latin1(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}
