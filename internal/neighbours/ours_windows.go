package neighbours

import "time"

func ourCPU() time.Duration { return 0 } // nobody tells what all use
