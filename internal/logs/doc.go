// Package logs writes the two logs of a server in gunicorn's formats: the error log
// ([ErrorLog]), where the server and its workers say what happens, and the access log
// ([AccessLog]), one line for each finished request.
//
// It owns the files and the text of the lines. It does not decide what is worth a line,
// and it knows neither HTTP nor processes. Whoever logs is never held up by the medium:
// lines go to a bounded buffer that one goroutine per log writes out, and when the medium
// fails or stalls, lines are dropped and counted ([ErrorLog.Lost], [AccessLog.Lost]).
package logs
