/* A driver of ours, for tests: it answers like one card, or fails in one of several ways.
   MISSES: symbols are missing. OLD: it serves an old CUDA. CRASHES, HANGS: in cuInit. CODE: cuInit gives this code.
   NONE: no device. BREAKS: a health run ends the process as it begins. Sources of the signatures: CUDA driver API. */
#include <string.h>
#include <unistd.h>
#ifndef CODE
#define CODE 0
#endif
#ifndef NAME
#define NAME "NVIDIA H100 80GB HBM3"
#endif
typedef struct { unsigned char bytes[16]; } uuid;
#ifdef OLD
int cuDriverGetVersion(int *version) { *version = 9020; return 0; }
#else
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
#endif
#ifndef MISSES
int cuInit(unsigned flags) {
    (void)flags;
#ifdef CRASHES
    *(volatile int *)0 = 1;
#endif
#ifdef HANGS
    for (;;) pause();
#endif
    return CODE;
}
#endif
int cuDeviceGetCount(int *count) {
#ifdef NONE
    *count = 0;
#else
    *count = 1;
#endif
    return 0;
}
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int room, int device) { (void)device; strncpy(name, NAME, room); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = 85520809984ull; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : 0;
    return 0;
}
int cuDeviceGetUuid(uuid *id, int device) {
    (void)device;
    for (int i = 0; i < 16; i++) id->bytes[i] = i;
    return 0;
}
#ifdef BREAKS
int cuDevicePrimaryCtxRetain(void **context, int device) { (void)context; (void)device; *(volatile int *)0 = 1; return 0; }
#endif
int cuDeviceGetUuid_v2(uuid *id, int device) { return cuDeviceGetUuid(id, device); }
