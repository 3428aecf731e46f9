package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const prefix = "whsec_"

// NewSecret returns one that nobody has.
func NewSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // which never fails
	return prefix + base64.StdEncoding.EncodeToString(key)
}

func checkSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, prefix)
	if !ok {
		return errors.New("a secret of webhooks begins with " + prefix + " (girin offload webhook-key makes one)")
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("the secret of webhooks is not base64: %w", err)
	}
	if len(key) < shortestKey {
		return fmt.Errorf("the secret of webhooks has %d bytes; at least %d are needed", len(key), shortestKey)
	}
	return nil
}
