package serve

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/nats-io/nkeys"

	"girin/internal/config"
	"girin/internal/jobs/engine"
)

// clusterOf is the cluster that this server's engine is part of; nil: there is none. Its
// servers know each other by the key that they share.
func clusterOf(c *config.Config, key nkeys.KeyPair) (*engine.Cluster, error) {
	if len(c.OffloadCluster) == 0 {
		return nil, nil
	}
	seed, err := key.Seed()
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte("girin: engines of one cluster"))
	return &engine.Cluster{
		Listen: c.OffloadCluster[0], Others: c.OffloadCluster[1:], Secret: hex.EncodeToString(mac.Sum(nil)),
		CAFile: c.OffloadTLSCA,
	}, nil
}

// replicasOf is how many servers keep what is stored; 0: as many as do so now.
func replicasOf(c *config.Config) int {
	if len(c.OffloadCluster) > 0 {
		return len(c.OffloadCluster)
	}
	if len(c.OffloadConnect) > 0 {
		return c.OffloadReplicas
	}
	return 1
}

// most is how much may be stored of jobs: as it was said, else half of what is free now on
// the engine's own disk, at most usualMost.
func (w *work) most(said int64) int64 {
	if said > 0 || w.engine.Dir == "" {
		return said
	}
	return min(usualMost, freeIn(w.engine.Dir)/2)
}

const usualMost = 4 << 30
