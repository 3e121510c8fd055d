/* NVML of ours, for tests: it knows one card. OLD: nvmlInit_v2 is missing. CRASHES: in nvmlInit_v2. MISMATCH: it is of another
   version than the driver. SPLIT: MIG is on, and there is no instance. MUTE: it does not say why clocks are lowered. LATER: the clocks
   are lowered by the hardware from the second look of a process on. Sources of the signatures: NVML API reference. */
#include <string.h>
typedef void *device;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;
#ifndef USED
#define USED 600000000ull
#endif
#ifndef OLD
int nvmlInit_v2(void) {
#ifdef CRASHES
    *(volatile int *)0 = 1;
#endif
#ifdef MISMATCH
    return 18;
#endif
    return 0;
}
#endif
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned room) { strncpy(text, "550.54.15", room); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *d) { (void)index; *d = (device)8; return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, device *d) {
    *d = (device)8;
    return strcmp(uuid, "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f") ? 6 : 0;
}
int nvmlDeviceGetUUID(device d, char *text, unsigned room) {
    (void)d;
    strncpy(text, "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f", room);
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(device d, memory *m) {
    (void)d;
    m->total = 85520809984ull; m->reserved = 0; m->used = USED; m->free = m->total - m->used;
    return 0;
}
int nvmlDeviceGetTemperature(device d, int sensor, unsigned *t) { (void)d; (void)sensor; *t = 41; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device d, unsigned long long *r) {
    (void)d;
#if defined MUTE
    (void)r;
    return 999;
#elif defined LATER
    static int looks;
    *r = looks++ ? 0x8 : 1;
    return 0;
#else
    *r = 0x40 | 1;
    return 0;
#endif
}
int nvmlDeviceGetTotalEccErrors(device d, int kind, int counter, unsigned long long *n) {
    (void)d; (void)kind; (void)counter;
    *n = 0;
    return 0;
}
int nvmlDeviceGetPersistenceMode(device d, int *mode) { (void)d; *mode = 1; return 0; }
#ifdef SPLIT
int nvmlDeviceGetMigMode(device d, unsigned *now, unsigned *next) { (void)d; *now = *next = 1; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(device d, unsigned *count) { (void)d; *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(device d, unsigned i, device *own) { (void)d; (void)i; (void)own; return 6; }
#endif
int nvmlDeviceGetEnforcedPowerLimit(device d, unsigned *mw) { (void)d; *mw = 500000; return 0; }
int nvmlDeviceGetPowerManagementLimitConstraints(device d, unsigned *low, unsigned *high) {
    (void)d;
    *low = 200000; *high = 700000;
    return 0;
}
int nvmlDeviceGetCurrPcieLinkWidth(device d, unsigned *w) { (void)d; *w = 8; return 0; }
int nvmlDeviceGetMaxPcieLinkWidth(device d, unsigned *w) { (void)d; *w = 16; return 0; }
int nvmlDeviceGetClockInfo(device d, int kind, unsigned *mhz) { (void)d; *mhz = kind == 1 ? 345 : 2619; return 0; }
int nvmlDeviceGetMaxClockInfo(device d, int kind, unsigned *mhz) { (void)d; *mhz = kind == 1 ? 1980 : 2619; return 0; }
