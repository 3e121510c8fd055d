/* A CUDA driver that shows as many devices as STUB_CUDA_DEVICES says, and does nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count(void) {
    const char *text = getenv("STUB_CUDA_DEVICES");
    return text ? atoi(text) : 0;
}

int cuInit(unsigned flags) { return flags != 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *found) { *found = count(); return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal < count() ? 0 : 101; }
int cuDeviceGetName(char *name, int size, int device) { (void)device; snprintf(name, size, "Stub GPU"); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = (size_t)80 << 30; return 0; }
int cuDeviceGetUuid(char *uuid, int device) { memset(uuid, 0, 16); uuid[15] = (char)(device + 1); return 0; }
int cuDeviceGetUuid_v2(char *uuid, int device) { return cuDeviceGetUuid(uuid, device); }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    /* The two halves of the compute capability. */
    *value = attribute == 75 ? 9 : 0;
    return attribute == 75 || attribute == 76 ? 0 : 1;
}
