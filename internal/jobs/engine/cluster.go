package engine

import (
	_ "time/tzdata" // schedules have time zones where the system has none

	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// clusterUser is who an engine is to another; the secret says that it may.
const clusterUser = "girin"

// join makes an engine part of a cluster. It is known there by where the others reach it,
// so that one that is started again is the one that it was.
func join(o *server.Options, settings Settings) error {
	c := settings.Cluster
	host, text, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	o.ServerName = "girin-" + strings.NewReplacer(".", "-", ":", "-", "[", "", "]", "").Replace(c.Listen)
	o.Cluster = server.ClusterOpts{
		Name: "girin", Host: host, Port: port, Username: clusterUser, Password: c.Secret, AuthTimeout: 10, NoAdvertise: true, PoolSize: -1,
	}
	if o.TLSConfig != nil {
		if o.Cluster.TLSConfig, err = amongEngines(o.TLSConfig.Certificates, c.CAFile); err != nil {
			return err
		}
		o.Cluster.TLSTimeout = 10
	}
	for _, other := range c.Others {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", User: url.UserPassword(clusterUser, c.Secret), Host: other})
	}
	return nil
}

// amongEngines is how engines check each other: each shows a certificate.
func amongEngines(own []tls.Certificate, caFile string) (*tls.Config, error) {
	c := &tls.Config{Certificates: own, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", caFile)
	}
	c.RootCAs, c.ClientCAs = pool, pool
	return c, nil
}
